import CKernel
import Glibc

/// What the filesystem offers on which the store lies, or would lie.
struct StoreFeatures {
    private let store: String
    private let scratch: ScratchFolder?
    /// Why there is no scratch folder.
    private let problem: String

    /// Makes a scratch folder there, which `probe` removes.
    init(store: String) {
        self.store = store
        guard let path = FilePath(store), path.isAbsolute else {
            (scratch, problem) = (nil, "'\(store)' is not an absolute path")
            return
        }
        do throws(KernelError) {
            (scratch, problem) = (try ScratchFolder(near: path), "")
        } catch {
            (scratch, problem) = (nil, "\(error)")
        }
    }

    /// An empty folder for an overlay; nil where none can be made.
    var scratchPath: String? { scratch?.path }

    private static let elsewhere = "Choose another folder for the store: --store PATH"

    /// To be called once, after the namespaces have been probed.
    func probe(_ namespaces: NamespaceProbe) -> [Feature] {
        guard let scratch else {
            return [.failed(.storeFolder, problem, remedy: Self.elsewhere)]
                + [.storeOverlay, .storeSpace, .storeReflink].map {
                    .failed($0, "not tried", remedy: Remedy.first(.storeFolder))
                }
        }
        let features = [overlay(namespaces), space(scratch.directory), reflink(scratch.directory)]
        do throws(KernelError) {
            try scratch.remove()
            return [.ok(.storeFolder, store)] + features
        } catch {
            let remedy = "rm -r '\(scratch.path)'; then see why that is needed"
            return [.limited(.storeFolder, "\(error)", remedy: remedy)] + features
        }
    }

    private func overlay(_ namespaces: NamespaceProbe) -> Feature {
        switch namespaces[CK_CHECK_STORE_OVERLAY] {
        case .passed: return .ok(.storeOverlay, "works")
        case .notReached: return .failed(.storeOverlay, "not tried", remedy: Remedy.first(.userNamespaces))
        case .failed(let error):
            if case .passed = namespaces[CK_CHECK_OVERLAY] {
                let remedy = "Put the store on ext4, xfs, btrfs or tmpfs, below folders that you own: --store PATH"
                return .failed(.storeOverlay, "\(error)", remedy: remedy)
            }
            return .failed(.storeOverlay, "\(error)", remedy: Remedy.first(.overlay))
        }
    }

    /// Below this a few image imports or large snapshots fill the disk, in bytes.
    private static let comfortableSpace: UInt64 = 1 << 30

    private func space(_ folder: borrowing OwnedFD) -> Feature {
        let descriptor = folder.rawValue
        var status = statvfs()
        do throws(KernelError) {
            // unsafe: the kernel fills the struct within the call.
            try check("fstatvfs", store) { unsafe fstatvfs(descriptor, &status) }
        } catch {
            return .failed(.storeSpace, "\(error)", remedy: Self.elsewhere)
        }
        let free = UInt64(status.f_bavail) * UInt64(status.f_frsize)
        let detail = "\(free >> 20) MiB free"
        if free >= Self.comfortableSpace { return .ok(.storeSpace, detail) }
        return .limited(.storeSpace, detail, remedy: "Delete snapshots or other files there. \(Self.elsewhere)")
    }

    private func reflink(_ folder: borrowing OwnedFD) -> Feature {
        do throws(KernelError) {
            let source = try folder.open("reflink-source", [.readWrite, .create], permissions: 0o600)
            try source.writeAll([UInt8](repeating: 1, count: 4096))
            let target = try folder.open("reflink-target", [.write, .create], permissions: 0o600)
            let (from, to) = (source.rawValue, target.rawValue)
            try check("ioctl(FICLONE)") { ck_ficlone(to, from) }
            return .ok(.storeReflink, "files can share blocks")
        } catch {
            return .limited(
                .storeReflink, "files are copied: \(error)",
                remedy: "Put the store on btrfs, or on xfs made with reflink=1: --store PATH")
        }
    }
}
