"""A small server of SavedModels that speaks TF-Serving's gRPC and REST protocols."""
