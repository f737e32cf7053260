import Glibc
import Kernel

@testable import Store

/// A real overlay of the kernel, for comparisons; root only.
final class OverlayMount {
    let path: String
    let root: OwnedFD

    /// - Parameters:
    ///   - lowers: topmost first.
    ///   - mountPoint: an empty folder.
    init(lowers: [String], upper: String? = nil, work: String? = nil, at mountPoint: String) throws {
        var options = "userxattr,lowerdir=" + lowers.joined(separator: ":")
        if let upper, let work { options += ",upperdir=\(upper),workdir=\(work)" }
        try check("mount", mountPoint) { mount("overlay", mountPoint, "overlay", 0, options) }
        path = mountPoint
        root = try openFolder(mountPoint)
    }

    deinit { umount2(path, Int32(MNT_DETACH)) }
}
