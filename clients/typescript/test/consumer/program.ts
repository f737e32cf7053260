// Compiled, never run: the package required from a CommonJS module.
import isorun = require('isorun')

export const list = async (): Promise<string[]> =>
    (await new isorun.Isorun({ engine: ['isorun-engine'] }).list()).map((sandbox) => sandbox.id)
