#include "InitProtocol.h"

// SwiftPM wants a source file in every target; the header is all there is to this one.
_Static_assert(sizeof(struct isorun_request) == 16, "the engine and isorun-init must agree on every byte");
_Static_assert(sizeof(struct isorun_event) == 48, "the engine and isorun-init must agree on every byte");
