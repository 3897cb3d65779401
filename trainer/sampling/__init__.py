"""From noise to latents as the web UI's samplers go: noise levels, noise, and the ways down."""
