"""Training of the models that are shipped. Not imported by any process that runs."""
