import JSON
import Kernel
import Testing

@testable import Sandbox

@Suite struct ProcessRecordTests {
    private static var printed: OutputRing {
        var ring = OutputRing(startingAt: 7)
        ring.append([0, 255, 10], from: .standardOutput, keepingFrom: nil)
        ring.append(Array("err".utf8), from: .standardError, keepingFrom: nil)
        return ring
    }

    private static let full = ManagedProcessRecord(
        number: 3, pid: 17, name: "shell", program: .arguments(["bash", "", "-l"]),
        startedAt: FileTime(nanoseconds: 1_767_225_599_123_456_789), origin: .started(ExecMark(rawValue: 1 << 63)),
        terminal: TerminalDimensions(columns: 132, rows: 50), hasInput: true,
        output: .init(ring: printed, ended: [.standardError: .eof], open: [.standardOutput]),
        exit: .status(.signaled(9)))
    private static let small = ManagedProcessRecord(
        number: 4, pid: 18, program: .shell("sleep 9"), startedAt: FileTime(nanoseconds: 0),
        origin: .leftBehind(startTicks: .max), hasInput: false)

    @Test func comesBackFromJSON() throws {
        var exited = Self.small
        exited.exit = .status(.exited(code: 0))
        var lost = Self.small
        lost.exit = .unknown
        let record = ProcessTableRecord(nextNumber: 5, processes: [Self.full, Self.small, exited, lost])
        let again = try #require(ProcessTableRecord(json: try JSONValue.parse(record.json.serialized())))
        #expect(again == record)
    }

    @Test(arguments: ["number", "pid", "program", "startedAt", "input", "mark"])
    func isRefusedWithout(field: String) throws {
        guard case .object(var fields) = Self.full.json else { return #expect(Bool(false)) }
        #expect(ManagedProcessRecord(json: .object(fields)) == Self.full)
        fields[field] = nil
        #expect(ManagedProcessRecord(json: .object(fields)) == nil)
    }

    @Test(arguments: ["terminal", "output", "exit"])
    func isRefusedWhenDamaged(field: String) throws {
        guard case .object(var fields) = Self.full.json else { return #expect(Bool(false)) }
        fields[field] = .string("?")
        #expect(ManagedProcessRecord(json: .object(fields)) == nil)
    }
}
