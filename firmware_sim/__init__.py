"""Pretends to be charging piles: one controller per EVSE, shown over Modbus, OCPP and MQTT."""
