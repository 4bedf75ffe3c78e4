"""Adapters to real piles: Modbus registers and OCPP messages become readings."""
