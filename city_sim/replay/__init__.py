"""A real network again, hour by hour: where would its drivers have been sent, and was it free?"""
