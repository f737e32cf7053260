import Glibc
import CKernel
import Kernel

/// eventfd(2).
struct EventCounterImage: Codable, Sendable {
    var count: UInt64
    var isSemaphore: Bool
}

enum EventCounters {
    private static let semaphore: Int32 = 1

    static func capture(_ view: DescriptorView) throws(ResourceError) -> EventCounterImage {
        guard let count = view.info.value("eventfd-count").flatMap({ UInt64($0, radix: 16) }) else {
            throw .unsupported("the kernel does not tell the count of its eventfd \(view.number)")
        }
        return EventCounterImage(count: count, isSemaphore: view.info.value("eventfd-semaphore") == "1")
    }

    static func open(_ image: EventCounterImage) throws(KernelError) -> OwnedFD {
        let counter = OwnedFD(
            takingOver: try check("eventfd") { ck_eventfd_with(0, image.isSemaphore ? semaphore : 0) })
        // The count given to eventfd(2) has 32 bits, the counter 64.
        if image.count > 0 { try counter.writeAll(plainBytes(of: image.count)) }
        return counter
    }
}

/// timerfd_create(2).
struct TimerDescriptorImage: Codable, Sendable {
    var clock: Int32
    /// Expirations that were not read yet.
    var ticks: UInt64
    var settingFlags: Int32
    /// Until the next expiration, and between two, in nanoseconds.
    var remaining: UInt64
    var interval: UInt64
    /// When it was set to a time of day: that time, in nanoseconds since 1970.
    var timeOfDay: UInt64?
}

enum TimerDescriptors {
    private static let absolute: Int32 = 1
    private static let clocksOfDay: [Int32] = [CLOCK_REALTIME, 8]  // CLOCK_REALTIME_ALARM

    static func capture(_ view: DescriptorView) throws(ResourceError) -> TimerDescriptorImage {
        guard let clock = view.info.value("clockid").flatMap({ Int32($0) }),
            let ticks = view.info.value("ticks").flatMap({ UInt64($0) }),
            let flags = view.info.value("settime flags").flatMap({ Int32($0, radix: 8) }),
            let remaining = nanoseconds(view.info.value("it_value")),
            let interval = nanoseconds(view.info.value("it_interval"))
        else { throw .unsupported("the kernel does not tell how its timerfd \(view.number) is set") }
        var image = TimerDescriptorImage(
            clock: clock, ticks: ticks, settingFlags: flags, remaining: remaining, interval: interval)
        if flags & absolute != 0 && remaining > 0 && clocksOfDay.contains(clock) {
            var now = timespec()
            // unsafe: the kernel fills the struct.
            _ = try kernel { () throws(KernelError) in
                try check("clock_gettime") { unsafe clock_gettime(CLOCK_REALTIME, &now) }
            }
            image.timeOfDay = UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec) + remaining
        }
        return image
    }

    /// From `(seconds, nanoseconds)`.
    private static func nanoseconds(_ text: Substring?) -> UInt64? {
        let numbers = text?.split { !$0.isNumber }.compactMap { UInt64($0) }
        guard let numbers, numbers.count == 2 else { return nil }
        return numbers[0] * 1_000_000_000 + numbers[1]
    }

    static func open(_ image: TimerDescriptorImage) throws(KernelError) -> OwnedFD {
        let timer = OwnedFD(takingOver: try check("timerfd_create") { ck_timerfd_create(image.clock, 0) })
        // fdinfo gives the time that is left whether the timer was set to a moment or to a span.
        // One that repeats and has expired is only set again by a read (fs/timerfd.c): until then nothing is left.
        let remaining = image.remaining == 0 && image.interval > 0 && image.ticks > 0 ? 1 : image.remaining
        let setting = [image.interval, image.timeOfDay ?? remaining].flatMap {
            [$0 / 1_000_000_000, $0 % 1_000_000_000]
        }
        let flags = image.timeOfDay == nil ? 0 : absolute
        // unsafe: the kernel reads 32 bytes.
        try check("timerfd_settime") { unsafe ck_timerfd_settime(timer.rawValue, flags, setting) }
        if image.ticks > 0 {
            try check("ioctl(TFD_IOC_SET_TICKS)") { ck_timerfd_set_ticks(timer.rawValue, image.ticks) }
        }
        return timer
    }
}

/// signalfd(2).
struct SignalDescriptorImage: Codable, Sendable {
    var mask: UInt64
}

enum SignalDescriptors {
    static func capture(_ view: DescriptorView) throws(ResourceError) -> SignalDescriptorImage {
        guard let mask = view.info.value("sigmask").flatMap({ UInt64($0, radix: 16) }) else {
            throw .unsupported("the kernel does not tell the mask of its signalfd \(view.number)")
        }
        return SignalDescriptorImage(mask: mask)
    }

    static func open(_ image: SignalDescriptorImage) throws(KernelError) -> OwnedFD {
        OwnedFD(takingOver: try check("signalfd") { ck_signalfd_create(image.mask, 0) })
    }
}

/// pidfd_open(2).
struct ProcessHandleImage: Codable, Sendable {
    /// Inside the sandbox; -1 when the process is gone.
    var pid: Int32
}
