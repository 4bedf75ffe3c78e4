"""From data to bundles of ONNX models; runs offline, needs the extra `train`, serves nothing."""
