import Kernel
import Synchronization
import Testing

@testable import Sandbox

/// What an output tells, in the order told.
private final class Listener: ProcessObserver {
    private let told = Mutex<[String]>([])
    private let resume = Mutex<(@Sendable () -> Void)?>(nil)
    /// Whether it takes one piece at a time, and the next when it is `ready`.
    let isSlow: Bool

    init(isSlow: Bool = false) { self.isSlow = isSlow }

    var lines: [String] { told.withLock { $0 } }

    func ready() { resume.withLock { $0.take() }?() }

    func take(
        _ output: OutputPiece, of process: ProcessAddress, resume: @escaping @Sendable () -> Void
    ) -> (count: Int, goesOn: Bool) {
        let text =
            output.bytes.count > 20 ? "\(output.bytes.count) bytes" : String(decoding: output.bytes, as: UTF8.self)
        told.withLock { $0.append("\(output.stream.rawValue) \(output.cursor) \(text)") }
        if isSlow { self.resume.withLock { $0 = resume } }
        return (output.bytes.count, !isSlow)
    }

    func outputEnded(_ stream: CommandStream, of process: ProcessAddress, _ reason: OutputEnd) {
        told.withLock { $0.append("\(stream.rawValue) \(reason.rawValue)") }
    }

    func exited(_ process: ProcessAddress, _ exit: ProcessExit) {}
}

@Suite struct ManagedOutputTests {
    private static let address = ProcessAddress(sandbox: "run1", process: "p1")
    private let loop: EventLoop

    init() throws { loop = try EventLoop(name: "test") }

    private func eventually(_ condition: () -> Bool) async throws {
        for _ in 0..<500 where !condition() { try await Task.sleep(for: .milliseconds(10)) }
        #expect(condition())
    }

    @Test func aCapturedOneIsReplayedAndGoesOn() async throws {
        let (listener, former) = (Listener(), Listener())
        let first = ManagedOutput(of: Self.address, observer: former, loop: loop)
        var pipe = try Pipe()
        try first.read(.standardOutput, from: pipe.takeReadEnd())
        let writer = pipe.takeWriteEnd()
        _ = try writer.writeOnce(Array("before".utf8)[...])
        first.pauseReading()
        first.drain()
        let record = first.record
        #expect(String(decoding: record.ring.content, as: UTF8.self) == "before")
        #expect(record.open == [.standardOutput])

        let second = ManagedOutput(
            of: Self.address, ring: record.ring, ended: record.ended, observer: listener, loop: loop)
        var next = try Pipe()
        try second.read(.standardOutput, from: next.takeReadEnd())
        let (cursor, begin) = second.attach(at: 3)
        #expect(cursor == 3)
        begin()
        try await eventually { listener.lines == ["stdout 3 ore"] }
        _ = try next.takeWriteEnd().writeOnce(Array("after".utf8)[...])
        try await eventually { listener.lines == ["stdout 3 ore", "stdout 6 after", "stdout eof"] }
        #expect(former.lines.isEmpty)
    }

    @Test func aStreamThatWasNotConnectedAgainIsInterrupted() async throws {
        let listener = Listener()
        let output = ManagedOutput(of: Self.address, observer: listener, loop: loop)
        output.interrupt(unread: [.standardOutput, .standardError])
        #expect(output.hasEnded)
        output.attach(at: 0).begin()
        try await eventually { listener.lines == ["stdout interrupted", "stderr interrupted"] }
    }

    @Test func nothingIsReadWhilePaused() async throws {
        let output = ManagedOutput(of: Self.address, observer: Listener(), loop: loop)
        var pipe = try Pipe()
        try output.read(.standardOutput, from: pipe.takeReadEnd())
        output.pauseReading()
        _ = try pipe.takeWriteEnd().writeOnce([1, 2, 3])
        try await Task.sleep(for: .milliseconds(50))
        #expect(output.cursor == 0)
        output.resumeReading()
        try await eventually { output.cursor == 3 && output.hasEnded }
    }

    @Test func aSlowClientHoldsReadingBackAndLosesNothing() async throws {
        let listener = Listener(isSlow: true)
        let output = ManagedOutput(of: Self.address, observer: listener, loop: loop)
        var pipe = try Pipe()
        try output.read(.standardError, from: pipe.takeReadEnd())
        let writer = pipe.takeWriteEnd()
        try writer.setNonblocking()
        output.attach(at: 0).begin()
        var (written, idle) = (0, 0)
        let chunk = [UInt8](repeating: 7, count: 4096)
        while idle < 20 {
            let count = try writer.writeOnce(chunk[...])
            written += count
            idle = count == 0 ? idle + 1 : 0
            if count == 0 { try await Task.sleep(for: .milliseconds(5)) }
        }
        // What the ring takes before it waits, one more turn of reading, and what the pipe holds.
        #expect(written < 1 << 20)
        _ = consume writer
        try await eventually {
            listener.ready()
            return listener.lines.last == "stderr eof"
        }
        #expect(output.cursor == written)
    }

    @Test func anInterruptionDeliversWhatIsThere() throws {
        let listener = Listener(isSlow: true)
        let output = ManagedOutput(of: Self.address, observer: listener, loop: loop)
        var pipe = try Pipe()
        output.attach(at: 0).begin()
        output.pauseReading()
        try output.read(.standardOutput, from: pipe.takeReadEnd())
        _ = try pipe.takeWriteEnd().writeOnce(Array("last".utf8)[...])
        output.cutOff()
        output.interrupt()
        #expect(listener.lines == ["stdout 0 last", "stdout interrupted"])
    }
}
