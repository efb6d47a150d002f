using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models;
using AsFT.Torch.Tokenization;

namespace AsFT.Torch.Tests.Checkpoints;

public sealed class HubNameTests
{
    [Theory]
    [InlineData("meta-llama/Llama-2-7b", "meta-llama/Llama-2-7b")]
    [InlineData("https://huggingface.co/Qwen/Qwen2.5-0.5B", "Qwen/Qwen2.5-0.5B")]
    [InlineData("https://huggingface.co/Qwen/Qwen2.5-0.5B/tree/main", "Qwen/Qwen2.5-0.5B")]
    [InlineData("hf://a/b", "a/b")]
    public void A_name_on_the_Hub_is_recognised(string given, string name) =>
        Assert.Contains($"hf download {name} --local-dir {name.Split('/')[1]}'", HubName.Advice(given));

    [Theory]
    [InlineData("Llama-2-7b")]
    [InlineData("./models/llama")]
    [InlineData("/models/llama")]
    [InlineData("../llama")]
    [InlineData("a/b/c")]
    [InlineData("")]
    public void A_path_is_a_path(string given) => Assert.Equal("", HubName.Advice(given));

    [Fact]
    public void Whatever_opens_a_model_folder_says_so()
    {
        foreach (Action open in new Action[] { () => ModelConfig.Load("owner/name"), () => ModelCheckpoint.Open("owner/name").Dispose(), () => LanguageTokenizer.Load("owner/name"), () => CheckpointFingerprint.Compute("owner/name") })
            Assert.Contains("hf download owner/name", Record.Exception(open)!.Message);
    }
}
