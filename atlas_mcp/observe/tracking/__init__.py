"""Sends what the journal holds to MLflow and to receivers of OpenTelemetry, while no run waits for it."""
