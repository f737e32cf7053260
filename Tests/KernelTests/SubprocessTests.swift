import Glibc
import Testing

@testable import Kernel

@Suite struct SubprocessTests {
    private static let limits = Subprocess.RunLimits(time: .seconds(20))

    /// As the engine does.
    init() { signal(SIGPIPE, SIG_IGN) }

    private func shell(_ script: String, environment: [String: String] = [:]) -> HostProgram {
        HostProgram("/bin/sh", ["-c", script], environment: environment)
    }

    @Test func givesOutputErrorOutputAndStatus() throws {
        let outcome = try Subprocess.run(shell("echo out; echo err >&2; exit 3"), limits: Self.limits)
        #expect(outcome.ending == .ended(.exited(code: 3)))
        #expect(outcome.output == Array("out\n".utf8))
        #expect(outcome.complaint == "err")
        #expect(!outcome.isSuccess)
    }

    @Test func passesInputThatNoPipeHolds() throws {
        let input = [UInt8](repeating: UInt8(ascii: "x"), count: 1 << 20)
        let outcome = try Subprocess.run(HostProgram("/usr/bin/wc", ["-c"]), input: input, limits: Self.limits)
        #expect(outcome.output == Array("1048576\n".utf8))
    }

    @Test func survivesAProgramThatReadsNoInput() throws {
        let input = [UInt8](repeating: 0, count: 1 << 20)
        #expect(try Subprocess.run(shell("exec <&-; sleep 0.1"), input: input, limits: Self.limits).isSuccess)
    }

    @Test func keepsNoMoreOutputThanAllowed() throws {
        let limits = Subprocess.RunLimits(time: .seconds(20), outputBytes: 1000)
        let outcome = try Subprocess.run(shell("yes | head -c 300000"), limits: limits)
        #expect(outcome.isSuccess)
        #expect(outcome.output.count == 1000)
    }

    @Test func passesNothingOfItsOwnOn() throws {
        let outcome = try Subprocess.run(
            HostProgram("/usr/bin/env", [], environment: ["A": "1"]), limits: Self.limits)
        #expect(outcome.output == Array("A=1\n".utf8))
        let files = try Subprocess.run(HostProgram("/bin/ls", ["/proc/self/fd"]), limits: Self.limits)
        // The fourth is ls's own.
        #expect(files.output == Array("0\n1\n2\n3\n".utf8))
    }

    @Test func endsAtItsTime() throws {
        let limits = Subprocess.RunLimits(time: .milliseconds(200))
        let outcome = try Subprocess.run(shell("echo begun; exec sleep 1000"), limits: limits)
        #expect(outcome.ending == .timedOut)
        #expect(outcome.output == Array("begun\n".utf8))
    }

    @Test func endsWhenCancelled() throws {
        let outcome = try Subprocess.run(shell("exec sleep 1000"), limits: Self.limits, isCancelled: { true })
        #expect(outcome.ending == .cancelled)
    }

    @Test func saysWhenThereIsNoSuchProgram() throws {
        let error = #expect(throws: KernelError.self) {
            try Subprocess.run(HostProgram("/no/such/program", []), limits: Self.limits)
        }
        #expect(error?.errno == .noSuchFile)
    }

    @Test func runsUntilItIsEnded() throws {
        let process = try Subprocess(shell("exec sleep 1000"))
        #expect(try process.wait(milliseconds: 50) == nil)
        process.end()
        process.end()
        #expect(try process.wait() == .signaled(9))
    }
}
