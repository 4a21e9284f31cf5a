"""From pictures to what the network sees: grey pictures, and the motion in them."""
