import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Isorun } from 'isorun'

const wanted = process.env.ISORUN_REQUIRE_ALL === '1'

/** Options of a test that needs the real engine: without one it is skipped, or fails when all tests are required. */
export const withEngine = {
    skip: process.env.ISORUN_ENGINE || wanted ? false : 'the variable ISORUN_ENGINE names no engine',
    timeout: 60_000,
}

/** A client of the real engine with a store of its own; both are gone after the test. */
export function engineClient(t) {
    const store = mkdtempSync(join(tmpdir(), 'isorun-store-'))
    const client = new Isorun({ store })
    t.after(async () => {
        await client.close()
        try {
            rmSync(store, { recursive: true })
        } catch (error) {
            // Files of subordinate users can be removed by the engine only.
            t.diagnostic(`the store is left over: ${error.message}`)
        }
    })
    return client
}
