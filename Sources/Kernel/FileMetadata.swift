import CKernel
import Glibc

// Owner, permissions and times of a directory's entries; a symlink is not followed.
extension OwnedFD {
    public func setOwner(of name: FilePath, owner: UInt32, group: UInt32) throws(KernelError) {
        try check("fchownat", name.description) {
            // unsafe, here and below: the kernel reads the path within the call.
            unsafe name.withCString { unsafe fchownat(rawValue, $0, owner, group, AT_SYMLINK_NOFOLLOW) }
        }
    }

    /// A symlink, which has no permissions of its own, fails with EOPNOTSUPP: it may have been put in the entry's place
    /// by somebody who wants another file changed.
    public func setPermissions(of name: FilePath, _ permissions: UInt32) throws(KernelError) {
        try check("fchmodat", name.description) {
            unsafe name.withCString { unsafe ck_fchmodat_nofollow(rawValue, $0, permissions) }
        }
    }

    public func setTimes(of name: FilePath, accessed: FileTime, modified: FileTime) throws(KernelError) {
        let times = [accessed.timespec, modified.timespec]
        try check("utimensat", name.description) {
            unsafe name.withCString { unsafe utimensat(rawValue, $0, times, AT_SYMLINK_NOFOLLOW) }
        }
    }

    // The same of the open file itself.

    public func setOwner(_ owner: UInt32, group: UInt32) throws(KernelError) {
        try check("fchown") { fchown(rawValue, owner, group) }
    }

    public func setPermissions(_ permissions: UInt32) throws(KernelError) {
        try check("fchmod") { fchmod(rawValue, permissions) }
    }

    public func setTimes(accessed: FileTime, modified: FileTime) throws(KernelError) {
        let times = [accessed.timespec, modified.timespec]
        // unsafe: the kernel reads two times within the call.
        try check("futimens") { unsafe futimens(rawValue, times) }
    }
}
