package attribution

// Own is own, for tests outside of the package.
var Own = own
