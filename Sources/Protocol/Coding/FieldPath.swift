/// Where a value lies in the params of a request: `children[2].env.LANG`.
struct FieldPath: Sendable, CustomStringConvertible {
    private indirect enum Place: Sendable {
        case params
        case member(of: Place, String)
        case element(of: Place, Int)
    }

    let method: String
    private var place = Place.params

    init(method: String) { self.method = method }

    func member(_ name: String) -> FieldPath {
        var path = self
        path.place = .member(of: place, name)
        return path
    }

    func element(_ index: Int) -> FieldPath {
        var path = self
        path.place = .element(of: place, index)
        return path
    }

    /// Written out only when an error needs it. Empty for the params themselves.
    var description: String { Self.describe(place) }

    private static func describe(_ place: Place) -> String {
        switch place {
        case .params: return ""
        case .element(let parent, let index): return "\(describe(parent))[\(index)]"
        case .member(let parent, let name):
            let prefix = describe(parent)
            return prefix.isEmpty ? name : "\(prefix).\(name)"
        }
    }
}
