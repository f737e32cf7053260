import Kernel

/// Timers of timer_create(2).
enum POSIXTimers {
    private static let threadFlag: Int32 = 4  // SIGEV_THREAD_ID
    private static let none: Int32 = 1  // SIGEV_NONE
    private static let settingSize = 32

    /// From /proc/PID/timers (proc_pid_timers(5)) of the sandbox's own /proc, whose numbers are those inside.
    static func capture(
        _ remote: RemoteProcess, on thread: TracedThread, inside pid: Int32, root: borrowing OwnedFD
    ) throws(KernelError) -> [TimersImage.POSIXTimer] {
        let text = try ProcFS.read("proc/\(pid)/timers", in: root.rawValue)
        var timers: [TimersImage.POSIXTimer] = []
        var timer = TimersImage.POSIXTimer(id: 0, clock: 0, notify: 0, signal: 0, value: 0, thread: 0)
        for line in text.lines {
            guard let colon = line.utf8.firstIndex(of: UInt8(ascii: ":")) else { continue }
            let value = line[colon...].dropFirst().trimmed
            switch line[..<colon] {
            case "ID": timer.id = Int32(value) ?? 0
            case "signal":
                let parts = value.split(separator: "/")
                timer.signal = parts.first.flatMap { Int32($0) } ?? 0
                timer.value = parts.last.flatMap { UInt64($0, radix: 16) } ?? 0
            case "notify": (timer.notify, timer.thread) = notification(value)
            case "ClockID":
                timer.clock = Int32(value) ?? 0
                timers.append(timer)
            default: continue
            }
        }
        var batch = CallBatch(remote, on: thread)
        for index in timers.indices {
            let setting = try batch.place([UInt8](repeating: 0, count: settingSize))
            try batch.add(.timer_gettime, [UInt64(timers[index].id), setting])
            try batch.finish()
            timers[index].setting = Blob(try remote.memory.read(settingSize, at: setting))
        }
        return timers
    }

    /// From `signal/pid.17`, `thread/tid.18`, `none/pid.0`.
    private static func notification(_ text: Substring) -> (Int32, Int32) {
        let parts = text.split { "/.".contains($0) }
        guard parts.count == 3 else { return (0, 0) }
        let kinds: [Substring: Int32] = ["signal": 0, "none": 1, "thread": 2]
        let isForThread = parts[1] == "tid"
        return ((kinds[parts[0]] ?? 0) | (isForThread ? threadFlag : 0), isForThread ? Int32(parts[2]) ?? 0 : 0)
    }

    /// Makes the timers with the numbers that they had. Threads that they signal must be there.
    static func restore(
        _ timers: [TimersImage.POSIXTimer], _ remote: RemoteProcess, on thread: TracedThread
    ) throws(KernelError) {
        if timers.isEmpty { return }
        // Linux 6.15; before, numbers are given from 0 on and stay so for programs that delete none.
        try remote.call(.prctl, [Control.restoreTimerNumbers, 1], on: thread, mayFail: true)
        for timer in timers.sorted(by: { $0.id < $1.id }) {
            // struct sigevent: value, signal, notification, thread; then room to 64 bytes.
            var event = plainBytes(of: timer.value) + plainBytes(of: timer.signal) + plainBytes(of: timer.notify)
            event += plainBytes(of: timer.thread) + [UInt8](repeating: 0, count: 44)
            var batch = CallBatch(remote, on: thread)
            let places = try batch.place([event, plainBytes(of: timer.id), timer.setting.bytes])
            try batch.add(.timer_create, [UInt64(bitPattern: Int64(timer.clock)), places[0], places[1]])
            try batch.add(.timer_settime, [UInt64(timer.id), 0, places[2], 0])
            try batch.finish()
            if try remote.memory.read(Int32.self, at: places[1]) != timer.id {
                throw KernelError("timer_create", "number \(timer.id)", errno: .busy)
            }
        }
        try remote.call(.prctl, [Control.restoreTimerNumbers, 0], on: thread, mayFail: true)
    }
}
