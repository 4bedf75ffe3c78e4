"""One controller, shown as each protocol shows it: Modbus registers, OCPP, MQTT sensors."""
