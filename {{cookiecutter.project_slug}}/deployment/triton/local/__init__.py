"""The real tritonserver without Docker, with a stand-in for its onnxruntime backend: for tests and laptops."""
