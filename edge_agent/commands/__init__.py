"""What may be asked of the agent over MQTT: one file a command, one table of them."""
