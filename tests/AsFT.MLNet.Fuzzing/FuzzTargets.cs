using System.Reflection;
using System.Text;
using AsFT.Lab.Comparison;
using AsFT.Torch.Adapters;
using AsFT.Torch.Alignment;
using AsFT.Torch.Chat;
using AsFT.Torch.Checkpoints;
using AsFT.Torch.Models;
using AsFT.Torch.Runtime;
using AsFT.Torch.Tokenization;
using Microsoft.ML;

namespace AsFT.MLNet.Fuzzing;

/// <summary>Every format that is read, each through the call that users reach it by.</summary>
internal static class FuzzTargets
{
    private const string Probe = "Hello wörld, <s> 123 \n\n x\u4e2d\U0001F600";
    private static readonly string Data = typeof(FuzzTargets).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == "TestData").Value!;
    private static readonly string Aligned = Path.Combine(Data, "models", "stories260K-aligned");
    private static readonly string Base = Path.Combine(Data, "models", "stories260K");
    private static readonly Lazy<Scratch> Scratch = new(() => new Scratch());

    private static readonly Lazy<CausalLanguageModel> Model = new(() => CausalLanguageModel.Load(Aligned, new ComputePlacement(TorchSharp.torch.CPU, TorchSharp.torch.ScalarType.Float32)));

    private static readonly Lazy<(byte[] Config, byte[] Weights)> SavedAdapter = new(() =>
    {
        using var adapter = LoraAdapter.Attach(Model.Value, new LoraOptions { Rank = 1 }, seed: 1);
        var folder = Path.Combine(Scratch.Value.Folder, "saved");
        adapter.Save(folder);
        return (File.ReadAllBytes(Path.Combine(folder, "adapter_config.json")), File.ReadAllBytes(Path.Combine(folder, "adapter_model.safetensors")));
    });

    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        OfFolder("config", "config.json", [], folder => ModelConfig.Load(folder), () => [("llama.json", File.ReadAllBytes(Path.Combine(Aligned, "config.json"))), ("llama3.json", Bytes(Llama3))]),
        OfFolder("generation-config", "generation_config.json", [Path.Combine(Aligned, "config.json")], folder => ModelConfig.Load(folder), Files(Aligned, "generation_config.json")),
        OfFolder("tokenizer-config", "tokenizer_config.json", [Path.Combine(Data, "tokenizers", "byte-level", "tokenizer.json")], Tokenize, Files(Path.Combine(Data, "tokenizers", "byte-level"), "tokenizer_config.json")),
        OfFolder("tokenizer", "tokenizer.json", [], Tokenize, Files(Path.Combine(Data, "tokenizers", "byte-level"), "tokenizer.json")),
        OfFolder("sentencepiece", "tokenizer.model", [], Tokenize, Files(Aligned, "tokenizer.model")),
        OfFolder("adapter-config", "adapter_config.json", [], folder => LoraAdapter.ReadOptions(folder), Text("adapter.json", Adapter)),
        OfFolder("chat-template", "chat_template.jinja", [Path.Combine(Data, "tokenizers", "byte-level", "tokenizer.json")], Chat, () => [("chatml", Bytes(ChatMl)), ("language", Bytes(Language))]),
        OfFolder("index", "model.safetensors.index.json", [], folder => ModelCheckpoint.Open(folder).Dispose(), Text("index.json", """{"metadata":{"total_size":8},"weight_map":{"a":"model-00001-of-00001.safetensors"}}"""),
            written: [("model-00001-of-00001.safetensors", Small)]),
        OfFile("safetensors", ".safetensors", path => { using var file = SafetensorsFile.Open(path); }, () => [("small", Small)]),
        OfFile("direction", ".safetensors", ReadDirection, () => SavedDirections(AlignmentDirectionEncoding.Full, AlignmentDirectionEncoding.BFloat16, AlignmentDirectionEncoding.Factors)),
        OfFile("spectrum", ".safetensors", ReadDirection, () => SavedDirections(AlignmentDirectionEncoding.Spectrum)),
        OfFile("model-zip", ".zip", LoadPipeline, SavedPipelines.Zips),
        OfFile("comparison", ".json", path => ComparisonConfig.Load(path), () => Directory.EnumerateFiles(Path.Combine(AppContext.BaseDirectory, "Comparisons")).Select(path => (Path.GetFileName(path), File.ReadAllBytes(path)))),
        OfFile("instructions", ".jsonl", path => Enumerate(new MLContext().Data.LoadFromInstructionFile(path)),
            () => [("lines", Bytes("{\"instruction\":\"a\",\"input\":\"b\",\"output\":\"c\"}\n{\"instruction\":\"\\u00e4\",\"output\":\"\"}\n")), ("array", Bytes("[{\"instruction\":\"a\",\"input\":null,\"output\":\"c\"}]"))]),
        OfFile("conversations", ".jsonl", Converse,
            () => [("messages", Bytes("{\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"}]},{\"role\":\"assistant\",\"content\":\"b\",\"tool_calls\":null,\"weight\":1}]}\n")),
                ("sharegpt", Bytes("[{\"system\":\"s\",\"conversations\":[{\"from\":\"human\",\"value\":\"\\u00e4\"},{\"from\":\"gpt\",\"value\":\"c\"}],\"tools\":[]}]")),
                ("trl", Bytes("{\"prompt\":[{\"role\":\"user\",\"content\":\"a\"}],\"completion\":[{\"role\":\"assistant\",\"content\":\"b\"}]}"))]),
        OfFolder("adapter", "adapter_model.safetensors", [], LoadAdapter, () => [("adapter", SavedAdapter.Value.Weights)]),
        OfFile("judged-answers", ".jsonl", path => Enumerate(new MLContext().Data.LoadFromBeaverTailsFile(path)),
            () => [("lines", Bytes("{\"prompt\":\"a\",\"response\":\"b\",\"category\":{\"animal_abuse\":true}}\n"))]),
    ];

    private const string Llama3 = """
        {"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":64,"intermediate_size":172,"num_attention_heads":8,"num_hidden_layers":5,"num_key_value_heads":4,
        "vocab_size":512,"max_position_embeddings":131072,"rms_norm_eps":1e-5,"rope_theta":500000.0,"bos_token_id":1,"eos_token_id":[2,3],"tie_word_embeddings":true,"torch_dtype":"bfloat16",
        "rope_scaling":{"factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":8192,"rope_type":"llama3"},"id2label":{"0":"a","1":"b"}}
        """;

    private const string Adapter = """
        {"peft_type":"LORA","r":8,"lora_alpha":32,"lora_dropout":0.05,"target_modules":["q_proj","v_proj"],"bias":"none","task_type":"CAUSAL_LM","use_rslora":false,"rank_pattern":{},"alpha_pattern":{},
        "base_model_name_or_path":"model","inference_mode":true,"init_lora_weights":true,"fan_in_fan_out":false,"modules_to_save":null,"layers_to_transform":null,"use_dora":false}
        """;

    private const string ChatMl = """
        {%- for message in messages -%}{{ '<|im_start|>' + message['role'] + '\n' + message.content | trim + '<|im_end|>\n' }}{%- endfor -%}
        {% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}
        """;

    private const string Language = """
        {% macro m(a, b='x') %}{{ a ~ b }}{{ caller() if caller }}{% endmacro %}{% set ns = namespace(n=0, l=[]) %}{# c #}{% raw %}{{ {% endraw %}
        {% for x, y in {'a': 1, 'b': [1.5, none, true]}.items() if x is string %}{% set ns.n = ns.n + loop.index %}{{ m(x, b=y | tojson) }}{% if loop.last %}{% break %}{% endif %}{% else %}e{% endfor %}
        {% call m(1) %}{{ 'a-b'.split('-')[::-1] | join('+') }}{% endcall %}{% filter upper %}{{ messages | map(attribute='role') | list }}{% endfilter %}
        {{ '%s %d' % ('a', 3) }}{{ 7 // 2 % 3 ** 2 }}{{ 'x' in 'xyz' and not 1 > 2 or false }}{{ messages[0].content[1:3] | default('d') | indent(2) }}{{ strftime_now('%d %b %Y') }}
        {% generation %}{{ messages[-1]['content'] }}{% endgeneration %}{{ eos_token }}{% if tools is defined %}{{ raise_exception('no') }}{% endif %}
        """;

    private static byte[] Small =>
        [.. BitConverter.GetBytes(64L), .. Bytes("""{"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}""".PadRight(64)), .. new byte[8]];

    private static FuzzTarget OfFile(string name, string extension, Action<string> read, Func<IEnumerable<(string, byte[])>> seeds) =>
        new(name, seeds, content => read(Scratch.Value.Write($"input{extension}", content)));

    private static FuzzTarget OfFolder(string name, string file, string[] beside, Action<string> read, Func<IEnumerable<(string, byte[])>> seeds, (string Name, byte[] Content)[]? written = null)
    {
        var isPrepared = false;
        return new(name, seeds, content =>
        {
            if (!isPrepared)
            {
                foreach (var path in beside) Scratch.Value.Write(Path.GetFileName(path), File.ReadAllBytes(path));
                foreach (var (other, bytes) in written ?? []) Scratch.Value.Write(other, bytes);
                isPrepared = true;
            }
            Scratch.Value.Write(file, content);
            read(Scratch.Value.Folder);
        });
    }

    private static Func<IEnumerable<(string, byte[])>> Files(string folder, string name) => () => [(name, File.ReadAllBytes(Path.Combine(folder, name)))];

    private static Func<IEnumerable<(string, byte[])>> Text(string name, string content) => () => [(name, Bytes(content))];

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    private static void Chat(string folder)
    {
        var template = ChatTemplates.Load(folder);
        try
        {
            template.Tokenize(LanguageTokenizer.Load(folder), new ChatExample("Hello {{ x }} <|im_end|>", " Yes. ", "Be brief.") { Earlier = [new("user", "Hi"), new("assistant", "Ho")] });
        }
        catch (InvalidOperationException e) when (e.Message.StartsWith("The chat template", StringComparison.Ordinal))
        {
            // A template may refuse a conversation, or end no answer.
        }
    }

    private static void Tokenize(string folder)
    {
        var tokenizer = LanguageTokenizer.Load(folder);
        tokenizer.Decode(tokenizer.Encode(Probe));
    }

    private static void ReadDirection(string path)
    {
        AlignmentDirection.ReadNorms(path);
        using var direction = AlignmentDirection.Load(path);
        foreach (var name in direction.LayerNames) direction.FrobeniusNorm(name);
    }

    private static IEnumerable<(string, byte[])> SavedDirections(params AlignmentDirectionEncoding[] encodings)
    {
        using var aligned = ModelCheckpoint.Open(Aligned);
        using var baseline = ModelCheckpoint.Open(Base);
        foreach (var encoding in encodings)
        {
            var path = Path.Combine(Scratch.Value.Folder, $"{encoding}.safetensors");
            AlignmentDirection.BuildToFile(aligned, baseline, ["model.layers.0.self_attn.k_proj"], path, new AlignmentDirectionFormat { Encoding = encoding, Rank = encoding is AlignmentDirectionEncoding.Factors or AlignmentDirectionEncoding.Spectrum ? 2 : null });
            yield return (encoding.ToString(), File.ReadAllBytes(path));
        }
    }

    private static void LoadAdapter(string folder)
    {
        Scratch.Value.Write("adapter_config.json", SavedAdapter.Value.Config);
        LoraAdapter.Load(Model.Value, folder).Dispose();
    }

    // The rows, and the conversations that they hold, as a template writes them.
    private static void Converse(string path)
    {
        var rows = new MLContext().Data.LoadFromInstructionFile(path);
        Enumerate(rows);
        if (rows.Schema.GetColumnOrNull("Messages") is null) return;
        var (template, tokenizer) = (ChatTemplates.Load(Aligned), LanguageTokenizer.Load(Aligned));
        foreach (var text in Microsoft.ML.Data.ColumnCursorExtensions.GetColumn<string>(rows, "Messages"))
        {
            if (Conversation.Parse(text, "row").Example is not { Response: not null } example) continue;
            try
            {
                template.Tokenize(tokenizer, example);
            }
            catch (RefusedConversationException)
            {
                // A template may refuse a conversation.
            }
        }
    }

    private static void LoadPipeline(string path)
    {
        using var model = new MLContext().Model.LoadAsft(path, new AsftLoadOptions { ModelPath = Aligned }, out _) as IDisposable;
    }

    private static void Enumerate(IDataView view)
    {
        using var cursor = view.GetRowCursor(view.Schema);
        var getters = view.Schema.Where(column => column.Type is Microsoft.ML.Data.TextDataViewType).Select(column => cursor.GetGetter<ReadOnlyMemory<char>>(column)).ToArray();
        var value = default(ReadOnlyMemory<char>);
        while (cursor.MoveNext())
            foreach (var getter in getters) getter(ref value);
    }
}
