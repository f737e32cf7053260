import Kernel

/// The one table of what a descriptor can be, and who captures it.
enum DescriptorKinds {
    static func capture(
        _ view: DescriptorView, _ context: CaptureContext
    ) throws(ResourceError) -> DescriptionImage.Kind {
        if let inode = view.number(ofKind: "pipe") {
            if let name = context.request.enginePipes[inode] { return .engine(try EngineEnds.capture(view, name)) }
            return .pipe(try Pipes.capture(view, context))
        }
        if view.target.hasPrefix("socket:") { return .socket(try Sockets.capture(view, context)) }
        if view.target.hasPrefix("/memfd:") { return .memoryFile(try MemoryFiles.capture(view, context)) }
        if let kind = anonymousKind(view.target) { return try captureAnonymous(kind, view, context) }
        if view.status.kind == .fifo { return .pipe(try Pipes.capture(view, context)) }
        if view.status.kind == .characterDevice, let terminal = try Terminals.capture(view, context) {
            return .terminal(terminal)
        }
        return .file(try FileDescriptors.capture(view, context))
    }

    /// `eventpoll` of `anon_inode:[eventpoll]`; some kinds have no brackets.
    private static func anonymousKind(_ target: String) -> String? {
        if target.hasPrefix("pidfd:") { return "pidfd" }
        guard target.hasPrefix("anon_inode:") else { return nil }
        return target.dropFirst(11).filter { $0 != "[" && $0 != "]" }
    }

    private static func captureAnonymous(
        _ kind: String, _ view: DescriptorView, _ context: CaptureContext
    ) throws(ResourceError) -> DescriptionImage.Kind {
        switch kind {
        case "eventfd": return .eventCounter(try EventCounters.capture(view))
        case "timerfd": return .timer(try TimerDescriptors.capture(view))
        case "signalfd": return .signals(try SignalDescriptors.capture(view))
        case "eventpoll": return .pollSet(PollSetImage())
        case "inotify": return .watches(try Watches.capture(view, context))
        case "pidfd":
            // The last of the pids is the one inside (proc_pid_fdinfo(5)).
            let inside = view.info.value("NSpid")?.split(whereSeparator: \.isWhitespace).last.flatMap { Int32($0) }
            return .processHandle(ProcessHandleImage(pid: inside ?? -1))
        default: throw .unsupported("it uses \(kind), which cannot be kept (descriptor \(view.number))")
        }
    }
}
