"""An OCPP 2.0.1 charging station: dials a central system and behaves as real ones do."""
