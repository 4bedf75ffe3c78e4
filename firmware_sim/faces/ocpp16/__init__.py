"""An OCPP 1.6J charge point: dials a central system and behaves as real ones do."""
