"""Pure: values and numpy columns in, values out. No I/O, no clock, no asyncio, no logging."""
