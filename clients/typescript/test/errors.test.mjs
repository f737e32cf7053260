import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as isorun from 'isorun'
import { errorFromWire } from '../dist/errors/from-wire.js'

// The kinds of the protocol page, with the status that a program for the hosted service would look at.
const KINDS = {
    '-32700': ['Parse', 400], '-32600': ['InvalidRequest', 400], '-32601': ['MethodNotFound', 501],
    '-32602': ['InvalidParams', 400], '-32603': ['Internal', 500], '-32002': ['ServerNotInitialized', 503],
    1001: ['SandboxNotFound', 404], 1002: ['SandboxDestroyed', 409], 1003: ['WrongState', 409],
    1004: ['SandboxFailed', 500], 1010: ['SnapshotNotFound', 404], 1011: ['SnapshotIncompatible', 409],
    1012: ['SnapshotCorrupt', 500], 1020: ['ImageNotFound', 404], 1021: ['ImageInvalid', 422],
    1022: ['ImageInUse', 409], 1023: ['PullFailed', 502], 1030: ['ProcessNotFound', 404],
    1031: ['CommandNotFound', 404], 1032: ['CommandNotExecutable', 403], 1033: ['StdinClosed', 409],
    1040: ['PathNotFound', 404], 1041: ['PathExists', 409], 1042: ['PathNotDirectory', 409],
    1043: ['PathIsDirectory', 409], 1044: ['PermissionDenied', 403], 1050: ['RuntimeStateUnsupported', 409],
    1060: ['LimitExceeded', 429], 1061: ['NoSpace', 507], 1070: ['NetworkUnavailable', 503],
    1080: ['HostUnsupported', 501], 1090: ['StoreLocked', 423], 1091: ['StoreCorrupt', 500],
}

for (const [code, [kind, status]] of Object.entries(KINDS)) {
    test(`${code} is a ${kind}Error`, () => {
        const wire = { code: Number(code), message: 'A sentence.', data: { kind, detail: 1 } }
        const error = errorFromWire(wire)
        assert.ok(error instanceof isorun[`${kind}Error`])
        assert.ok(error instanceof isorun.IsorunError)
        assert.ok(error instanceof Error)
        assert.deepEqual(
            { name: error.name, kind: error.kind, status: error.status, code: error.code, message: error.message },
            { name: `${kind}Error`, kind, status, code: Number(code), message: 'A sentence.' })
        assert.deepEqual(error.data, wire.data)
        assert.deepEqual(error.body, wire)
    })
}

test('a code from a newer engine keeps its kind', () => {
    const error = errorFromWire({ code: 1999, message: 'New.', data: { kind: 'BrandNew' } })
    assert.equal(error.constructor, isorun.EngineError)
    assert.deepEqual([error.kind, error.name, error.status, error.code], ['BrandNew', 'BrandNewError', 500, 1999])
})

test('a cancellation by the engine is an AbortError', () => {
    const error = errorFromWire({ code: -32800, message: 'Cancelled.' })
    assert.ok(error instanceof isorun.AbortError && error instanceof isorun.IsorunError)
    assert.deepEqual([error.name, error.code, error.kind], ['AbortError', 'ABORT_ERR', 'RequestCancelled'])
})
