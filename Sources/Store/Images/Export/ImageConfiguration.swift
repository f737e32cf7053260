import Glibc
import JSON
import Kernel

/// An image's configuration as other tools want it (OCI image specification, config.md).
struct ImageConfiguration {
    private(set) var json: JSONValue

    /// The configuration that an image has in the store, with what describes its layers as they were exported.
    ///
    /// - Parameter diffIDs: lowest first.
    init(of image: ImageRecord, diffIDs: [ImageDigest]) {
        var members = image.config.objectValue ?? [:]
        // What was imported from a bare root filesystem says nothing of this.
        if members["architecture"] == nil { members["architecture"] = .string(ImagePlatform.ownArchitecture) }
        if members["os"] == nil { members["os"] = "linux" }
        if members["created"] == nil { members["created"] = .string(image.createdAt.rfc3339) }
        if members["config"] == nil { members["config"] = .object([:]) }
        members["rootfs"] = ["type": "layers", "diff_ids": .array(diffIDs.map { .string($0.rawValue) })]
        let history = members["history"]?.arrayValue ?? []
        // Tools refuse a history that is not that of these layers.
        if history.count(where: { $0["empty_layer"]?.boolValue != true }) != diffIDs.count { members["history"] = nil }
        json = .object(members)
    }

    /// A parent's configuration for an image that has more layers than it.
    ///
    /// - Parameters:
    ///   - newLayers: how many.
    ///   - comment: where they come from.
    init(of parent: JSONValue, withLayersAdded newLayers: Int, at time: FileTime, comment: String) {
        var members = parent.objectValue ?? [:]
        members["created"] = .string(time.rfc3339)
        var steps = members["history"]?.arrayValue ?? []
        for number in 0..<max(newLayers, 1) {
            var step: [String: JSONValue] = ["created": .string(time.rfc3339), "created_by": .string(comment)]
            if number == newLayers { step["empty_layer"] = true }
            steps.append(.object(step))
        }
        members["history"] = .array(steps)
        json = .object(members)
    }
}

extension FileTime {
    /// RFC 3339 in UTC, in whole seconds.
    fileprivate var rfc3339: String {
        var seconds = time_t(nanoseconds / 1_000_000_000)
        // unsafe: a plain struct of numbers; the C library reads the one and fills the other.
        var parts = unsafe tm()
        _ = unsafe gmtime_r(&seconds, &parts)
        let numbers = unsafe [
            parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
        ]
        let texts = numbers.map { ($0 < 10 ? "0" : "") + "\($0)" }
        return texts[..<3].joined(separator: "-") + "T" + texts[3...].joined(separator: ":") + "Z"
    }
}
