"""Running a servable: wire encoding, engine, batch scoring. No torch, pandas, web framework or MLflow."""
