/** This package's version, as the engine is told it in `initialize`. A test compares it with package.json. */
export const VERSION = '0.1.0'
