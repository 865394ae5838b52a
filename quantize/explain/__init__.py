"""Why a layer is bad."""
