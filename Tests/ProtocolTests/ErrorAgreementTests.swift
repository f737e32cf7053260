import JSON
import JSONRPC
import Testing

@testable import Protocol

@Suite struct ErrorAgreementTests {
    private let document = SchemaDocument.shared
    private static let output = PartialOutput(stdout: "a", stderr: "b")

    private static let samples: [ProtocolError] = [
        .init(envelopeError("{")), .init(envelopeError("[]")),
        .init(envelopeError(#"{"jsonrpc":"2.0","id":1,"method":"m","params":[]}"#)),
        .messageTooLarge(length: 100_000_000), .invalidRequest("the engine is shutting down"),
        .methodNotFound("sandbox/craete"),
        .invalidParams(method: "fs/move", field: "to", "lies inside of `from`"), .internalError("a bug"),
        .serverNotInitialized(method: "sandbox/create"), .requestCancelled(), .requestCancelled(output: output),
        .requestCancelled(written: 3),
        .sandboxNotFound("run1"), .sandboxDestroyed("run1"), .sandboxDestroyed("run1", output: output),
        .wrongState("run1", status: .hibernated, allowed: [.running]), .sandboxFailed("run1", reason: "init died"),
        .snapshotNotFound("snap1"), .snapshotIncompatible("snap1", reason: "other kernel"),
        .snapshotCorrupt("snap1", reason: "checksum"),
        .imageNotFound("a:b"), .imageInvalid("a:b", reason: "no layers"), .imageInUse("a:b", by: ["run1"]),
        .pullFailed("a:b", reason: "no route"),
        .processNotFound("p1"), .commandNotFound("gcc"), .commandNotExecutable("/etc/motd", reason: "not executable"),
        .stdinClosed("p1"),
        .pathNotFound("/a"), .pathExists("/a"), .pathNotDirectory("/a"), .pathIsDirectory("/a"),
        .permissionDenied("/a", reason: "read-only"),
        .commitConflict([.init(path: "/a", reason: .addedOnHost)]), .notCopiedFolder("/a"),
        .runtimeStateUnsupported([.init(pid: 1, command: "gdb", reason: "ptrace")]),
        .limitExceeded(limit: "pidsMax", "too many"), .noSpace("/a"),
        .networkUnavailable(reason: "pasta is missing", fix: "Install passt."),
        .hostUnsupported(feature: "user namespaces", reason: "a sysctl", fix: "Set it to 1."),
        .storeLocked("/s", reason: "by pid 1"), .storeUnusable("/s", reason: "version 9"),
    ]

    private static func envelopeError(_ body: String) -> EnvelopeError {
        do {
            let message = try IncomingMessage(body: Array(body.utf8))
            fatalError("\(message) is valid")
        } catch {
            return error
        }
    }

    @Test func theDocumentListsEveryKindWithItsCode() {
        let listed = document.errors.mapValues { $0["code"]?.intValue }
        let defined = Dictionary(
            uniqueKeysWithValues: ErrorKind.allCases.map { ($0.rawValue, Int64($0.code) as Int64?) })
        #expect(listed == defined)
        #expect(Set(ErrorKind.allCases.map(\.code)).count == ErrorKind.allCases.count)
    }

    @Test func everyKindIsMadeAndItsDataAgrees() throws {
        #expect(Set(Self.samples.map(\.kind)) == Set(ErrorKind.allCases))
        var validator = SchemaValidator(document)
        var expected: Set<String> = []
        for error in Self.samples {
            let kind = error.kind.rawValue
            let schema = try #require(document.errors[kind]?["x-data-schema"])
            #expect(validator.problem(error.data, schema, at: kind) == nil, "\(error.data)")
            #expect(!error.message.isEmpty)
            expected.formUnion(validator.allProperties(of: schema, at: kind))
        }
        #expect(expected.subtracting(validator.seenProperties).sorted() == [], "no sample has these")
    }

    @Test func methodsListErrorsThatExist() {
        for method in document.methods {
            for error in method.errors { #expect(document.errors[error] != nil, "\(method.name): \(error)") }
            #expect(Set(method.errors).count == method.errors.count, "\(method.name)")
        }
    }

    @Test func aResponseCarriesCodeKindAndMessage() {
        #expect(
            ProtocolError.sandboxNotFound("run1").response(to: .int(3))
                == .error(
                    id: .int(3), code: 1001, message: "there is no sandbox `run1`",
                    data: ["kind": "SandboxNotFound", "sandboxId": "run1"]))
    }
}
