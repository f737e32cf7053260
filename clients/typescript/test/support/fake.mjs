import { fileURLToPath } from 'node:url'
import { Isorun } from 'isorun'

export const fakeEngine = (mode = 'ordinary') =>
    [process.execPath, fileURLToPath(new URL('fake-engine.mjs', import.meta.url)), mode]

/** A client of a fake engine, closed at the end of the test. */
export function fakeClient(t, mode) {
    const client = new Isorun({ engine: fakeEngine(mode) })
    t.after(() => client.close())
    return client
}

/** The params of the messages of one method that the fake engine has received. */
export async function receivedParams(client, method) {
    const messages = await client.request('fake/received')
    return messages.filter((message) => message.method === method).map((message) => message.params)
}
