"""Tapes: what was said over Modbus, OCPP and MQTT, in one time-ordered file, and its replay."""
