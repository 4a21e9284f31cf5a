"""What siren and floodlight stand on: pins, sounds, and the timer that ends them."""
