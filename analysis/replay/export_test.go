package replay

// RefusedBeyond is Refused with another limit of moments.
var RefusedBeyond = refused
