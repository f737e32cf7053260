import JSON
import Testing

@testable import Protocol

/// The sentences that a client's developer reads.
@Suite struct ParamsDecoderTests {
    private func message<Request: ProtocolRequest>(
        _ request: Request.Type, _ params: [String: JSONValue]
    ) throws -> String {
        let error = try #require(throws: ProtocolError.self) { _ = try request.decode(params) }
        #expect(error.kind == .invalidParams)
        return error.message
    }

    @Test func namesTheFieldAndWhatWasExpected() throws {
        #expect(
            try message(SandboxCreate.self, ["memMiB": ["a"]])
                == "sandbox/create: `memMiB` must be an integer from 16 to 1048576, not an array")
        #expect(
            try message(SandboxCreate.self, ["memMiB": 8])
                == "sandbox/create: `memMiB` must be an integer from 16 to 1048576, not 8")
        #expect(
            try message(SandboxCreate.self, ["onTimeout": "stop"])
                == #"sandbox/create: `onTimeout` must be "hibernate" or "destroy", not "stop""#)
        #expect(
            try message(SandboxExec.self, ["sandboxId": "run1"])
                == "sandbox/exec: `command` is missing; "
                + "it must be a string for /bin/sh or an array of arguments")
        #expect(
            try message(SandboxExec.self, ["sandboxId": "run1", "command": []])
                == "sandbox/exec: `command` must be an array of 1 to 100000 elements, not of 0")
    }

    @Test func namesPlacesInsideOfObjectsAndArrays() throws {
        let fork: [String: JSONValue] = ["sandboxId": "run1", "children": [[:], ["env": ["A": 1]]]]
        #expect(try message(SandboxFork.self, fork).hasPrefix("sandbox/fork: `children[1].env.A` must be a string"))
        #expect(
            try message(SandboxCreate.self, ["network": ["mode": "bridge"]])
                == #"sandbox/create: `network.mode` must be "nat" or "none", not "bridge""#)
        #expect(
            try message(SandboxCreate.self, ["network": ["mode": "nat", "dns": true]])
                == "sandbox/create: `network.dns` is not a known field; known are `mode`, `allow`, `deny`")
        #expect(
            try message(SandboxExec.self, ["sandboxId": "run1", "command": ["a", 2]])
                .hasPrefix("sandbox/exec: `command[1]` must be a string without NUL"))
    }

    @Test func namesAnUnknownField() throws {
        #expect(
            try message(SandboxDestroy.self, ["sandboxId": "run1", "force": true])
                == "sandbox/destroy: `force` is not a known field; known are `sandboxId`, `workDoneToken`")
    }

    @Test func longValuesAreNotRepeated() throws {
        let text = try message(SandboxCreate.self, ["cwd": .string(String(repeating: "x", count: 10_000))])
        #expect(text.hasSuffix("not a string"))
    }

    @Test func decodesACommandOfBothKinds() throws {
        let shell = try SandboxExec.decode(["sandboxId": "run1", "command": "a | b"]).params
        #expect(shell.command == .shell("a | b"))
        let arguments = try SandboxExec.decode(["sandboxId": "run1", "command": ["a", ""]]).params
        #expect(arguments.command == .arguments(["a", ""]))
    }

    @Test func bytesComeInTheEncodingThatIsNamed() throws {
        let file: [String: JSONValue] = ["sandboxId": "run1", "path": "/a", "data": "AP8="]
        #expect(try FileWrite.decode(file).params.data == Array("AP8=".utf8))
        #expect(try FileWrite.decode(file.merging(["encoding": "base64"]) { $1 }).params.data == [0, 0xff])
        #expect(
            try message(FileWrite.self, file.merging(["encoding": "base64", "data": "AP8"]) { $1 })
                == #"fs/write: `data` must be a string of padded base64, not "AP8""#)
        #expect(
            try message(ProcessWrite.self, ["sandboxId": "a", "processId": "p1", "encoding": "base64", "data": "é==="])
                .hasPrefix("process/write: `data` must be a string of padded base64"))
    }

    @Test func countAndChildrenMustAgree() throws {
        #expect(try SandboxFork.decode(["sandboxId": "run1", "children": [[:], [:]]]).params.count == 2)
        #expect(try SandboxFork.decode(["sandboxId": "run1", "count": 2, "children": [[:], [:]]]).params.count == 2)
        #expect(
            try message(SandboxFork.self, ["sandboxId": "run1", "count": 3, "children": [[:]]])
                == "sandbox/fork: `children` has 1 elements for a `count` of 3")
    }

    @Test func everyRequestMayCarryAWorkDoneToken() throws {
        #expect(try ImagePull.decode(["ref": "a", "workDoneToken": "t"]).workDoneToken == .string("t"))
        #expect(try ImagePull.decode(["ref": "a", "workDoneToken": 1]).workDoneToken == .int(1))
        #expect(try ImagePull.decode(["ref": "a"]).workDoneToken == nil)
    }

    @Test func theDispatcherKnowsWhatToOrder() {
        let ordered = Registry.requests.filter { $0.isLifecycleOperation }
        #expect(
            ordered.map { $0.method }.sorted() == [
                "sandbox/commit", "sandbox/destroy", "sandbox/fork", "sandbox/hibernate", "sandbox/race",
                "sandbox/resume",
                "sandbox/rollback", "sandbox/snapshot",
            ])
        #expect(ordered.allSatisfy { $0.sandboxField == "sandboxId" })
        #expect(Registry.requests.filter { $0.isAcceptedBeforeInitialize }.map { $0.method } == ["initialize"])
        #expect(Registry.clientNotifications.filter { $0.isAcceptedBeforeInitialize }.map { $0.method } == ["exit"])
        #expect(SandboxRestore.sandboxField == nil)
        #expect(FileRead.sandboxField == "sandboxId")
    }
}
