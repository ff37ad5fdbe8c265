"""What retrain.py does, a file each: retrain a last layer, fine-tune, calibrate (and refit), evaluate."""
