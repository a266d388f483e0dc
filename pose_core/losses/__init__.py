"""Training losses, as functions of joint positions."""
