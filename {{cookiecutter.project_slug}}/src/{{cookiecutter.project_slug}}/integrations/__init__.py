"""The real sides of the ports: MLflow. Serving imports no more of it than mlflow-skinny has."""
