"""What all end-to-end tests share: the base class, the leak checks, and the runner."""
