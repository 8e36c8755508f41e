"""Keep the credit packages of suppliers, their originals, and the changes that are made to them (M28–M32)."""
