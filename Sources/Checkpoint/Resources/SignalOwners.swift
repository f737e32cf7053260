import CKernel
import Kernel

/// Who is told by a signal that an open file has something (fcntl(2), F_SETOWN_EX and F_SETSIG).
struct SignalOwnerImage: Codable, Sendable {
    /// F_OWNER_TID, F_OWNER_PID or F_OWNER_PGRP.
    var kind: Int32
    /// In the sandbox; 0 when it is nobody.
    var number: Int32
    /// 0 for the usual one.
    var signal: Int32
}

enum SignalOwners {
    private static let pathOnly: Int32 = 0o10000000
    private enum Request {
        static let setSignal: UInt64 = 10
        static let setOwner: UInt64 = 15
    }

    static func capture(_ view: DescriptorView) throws(KernelError) -> SignalOwnerImage? {
        if view.info.flags & pathOnly != 0 { return nil }
        let file = try view.duplicate()
        var (kind, number, signal): (Int32, Int32, Int32) = (0, 0, 0)
        try check("fcntl(F_GETOWN_EX)", "\(view.number) of \(view.process)") {
            // unsafe: the shim fills the three numbers.
            unsafe ck_get_signal_owner(file.rawValue, &kind, &number, &signal)
        }
        if number == 0 && signal == 0 { return nil }
        let inside = number == 0 ? nil : try ProcessStatus.read(of: number)?.pids.last
        return SignalOwnerImage(kind: kind, number: inside ?? 0, signal: signal)
    }

    /// Once every thread is there. By a process that has the file: whom it may send signals to is noted with it.
    static func restore(
        _ owner: SignalOwnerImage, of descriptor: Int32, in process: RestoringProcess
    ) throws(KernelError) {
        let number = UInt64(descriptor)
        if owner.number != 0 {
            try process.remote.call(
                .fcntl, [number, Request.setOwner], passing: plainBytes(of: owner.kind) + plainBytes(of: owner.number),
                at: 2, on: process.leader)
        }
        try process.call(.fcntl, [number, Request.setSignal, UInt64(owner.signal)])
    }
}
