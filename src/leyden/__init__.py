"""Leyden: the lab bench for transfer learning, generative adversarial networks and object detection."""
