using System.Text.RegularExpressions;

namespace AsFT.Torch.Checkpoints;

/// <summary>Names of models on the Hugging Face Hub, given where a folder is wanted.</summary>
internal static partial class HubName
{
    /// <summary>What to do about a folder that is not there when its path reads like a model's name on the Hub; else nothing.</summary>
    /// <param name="path">The path as it was given.</param>
    /// <returns>A sentence with a space before it, or the empty text.</returns>
    public static string Advice(string path)
    {
        // A path below a folder that is there is a path.
        if (Pattern().Match(path) is not { Success: true } match || Directory.Exists(Path.GetDirectoryName(path))) return "";
        var (owner, name) = (match.Groups["owner"].Value, match.Groups["name"].Value);
        return $" That reads like a model on the Hugging Face Hub; nothing is downloaded here. Get it with 'hf download {owner}/{name} --local-dir {name}' and give the folder '{name}'.";
    }

    [GeneratedRegex(@"^(?:hf://|https?://(?:www\.)?(?:huggingface\.co|hf\.co)/)?(?<owner>[A-Za-z0-9][A-Za-z0-9_.-]*)/(?<name>[A-Za-z0-9][A-Za-z0-9_.-]*)(?:/tree/main)?/?$")]
    private static partial Regex Pattern();
}
