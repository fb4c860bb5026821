"""Drum sounds judged by ear's numbers: unlabelled ones sorted, wrong labels and damaged samples found."""
