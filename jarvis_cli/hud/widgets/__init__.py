"""Line-API primitives that know nothing of clusters."""
