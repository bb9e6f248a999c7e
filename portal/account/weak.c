/* weak.c - passwords that are tried first, see peri_password_weak.
 *
 * Both lists are from zxcvbn 4.4.2, Copyright (c) 2012-2016 Dan Wheeler and Dropbox,
 * Inc., under the MIT licence, whose text is in COPYING.zxcvbn.
 */
#include <stdlib.h>
#include <string.h>

#include "portal/account/password.h"

/* Sorted, small letters. Those long enough to be passwords here, which no rule finds. */
static const char *const common[] = {
    "0102030405",        "010203040506",     "0147896325",         "0192837465",
    "1020304050",        "102030405060",     "1029384756",         "1112131415",
    "1123581321",        "1213141516",       "123123qweqwe",       "1234567890qwe",
    "123456789qwerty",   "12345qwert",       "12345trewq",         "12345zxcvb",
    "1234qwerasdf",      "123hfjdk147",      "123qwe456rty",       "123qweasdzxc",
    "12qw34er56ty",      "1357908642",       "1357924680",         "1357997531",
    "159753456852",      "1958proman",       "19mtpgam19",         "1a2a3a4a5a",
    "1a2b3c4d5e",        "1a2s3d4f5g",       "1pass1page",         "1q2q3q4q5q",
    "1q2w3e4r5t",        "1q2w3e4r5t6y",     "1qa2ws3ed4rf",       "1qaz2wsx3edc",
    "1qaz2wsx3edc4rfv",  "1qazxsw23edc",     "1qazxsw23edcvfr4",   "1z2x3c4v5b",
    "23176djivanfros",   "31217221027711",   "3141592654",         "3rjs1la7qe",
    "3syqo15hil",        "4815162342",       "4815162342a",        "4815162342lost",
    "4904s677075",       "5hsu75kpot",       "5t4r3e2w1q",         "7777755102q",
    "7ugd5hip2j",        "80070633pc",       "89015173454",        "89172735872",
    "89211375759",       "89231243658s",     "89600506779",        "8phrowz622",
    "8phrowz624",        "9293709b13",       "989244342a",         "a1a2a3a4a5",
    "a1b2c3d4e5",        "a1s2d3f4g5",       "abracadabra",        "abrakadabra",
    "admin18533362",     "ajcuivd289",       "aleksander",         "aleksandra",
    "alessandro",        "alexander1",       "alphaomega",         "amsterdam1",
    "an83546921an13",    "anastasija",       "anastasiya",         "andrewjackie",
    "angelochek",        "angelofwar",       "apokalipsis",        "applesauce",
    "armageddon",        "asdfg12345",       "asdfghjkl1",         "asdfghjkl123",
    "astalavista",       "astonvilla",       "auckland2010",       "azertyuiop",
    "azsxdcfvgb",        "azwebitalia",      "babemagnet",         "badnaamhere",
    "beautiful1",        "berezuckiy",       "bestfriend",         "birthday21",
    "birthday299",       "birthday54",       "blackberry",         "bladerunner",
    "blingbling",        "bondarenko",       "boy4u2ownnyc",       "braveheart",
    "businessbabe",      "byajhvfnbrf",      "c43qpul5rz",         "callofduty",
    "cannondale",        "casablanca",       "cegthgegth",         "cegthgfhjkm",
    "cheburashka",       "cheerleaers",      "chessmaster",        "chickenwing101",
    "chocolate1",        "christian1",       "christophe",         "christopher1",
    "clubpenguin",       "cnjvfnjkju",       "cocksucker",         "combat123654",
    "comicbookdb",       "computador",       "contortionist",      "counterstrike",
    "ctdfcnjgjkm",       "cvzefh1gkc",       "cxfcnkbdfz",         "cxfcnmttcnm",
    "cyberonline",       "cyecvevhbr",       "cyjdsvujljv",        "darkknight",
    "darthvader",        "dbrnjhjdbx",       "dbrnjhjdyf",         "deeppurple",
    "deepthroat",        "deerhunter",       "deltaforce",         "depechemode",
    "desperados",        "deutschland",      "devildriver",        "devilmaycry",
    "devilmaycry4",      "dhjnvytyjub",      "digitalprodu",       "dkflbdjcnjr",
    "dkflbvbhjdbx",      "dkflbvbhjdyf",     "dodgeviper",         "doggystyle",
    "domainlock2005",    "dragonball",       "dragonballz",        "dragonfire",
    "efbcapa201",        "ejaculation",      "ekaterina20",        "elizabeth1",
    "enterprise",        "evanescence",      "evangelion",         "fartripper",
    "fcbarcelona",       "fenerbahce",       "fgjrfkbgcbc",        "finalfantasy",
    "firefighter",       "firestarter",      "fkg7h4f3v6",         "fkmnthyfnbdf",
    "fktrcfylhf",        "fktrcfylhjdbx",    "fktrcfylhjdyf",      "flintstone",
    "flvbybcnhfnjh",     "friendster",       "froinlaven",         "fuckinside",
    "fuckmehard",        "fucktheworld",     "galatasaray",        "gangbanged",
    "gfhjkmgfhjkm",      "ghbdtndctv",       "ghbdtnghbdtn",       "ghbdtngjrf",
    "ghbdtnrfrltkf",     "ghhh47hj764",      "ghhh47hj7649",       "ghjcnbnenrf",
    "ghjcnjgfhjkm",      "ghjcnjghjcnj",     "ghjcnjrdfibyj",      "ghjcnjrdfif",
    "ghjrehfnehf",       "ghostrider",       "goldfinger",         "good123654",
    "goodfellas",        "greedisgood",      "groupd2013",         "gthtcnhjqrf",
    "gunslinger",        "gy3yt2rgls",       "harrypotter",        "hd764nw5d7e1vb1",
    "hedimaptfcor",      "hellokitty",       "hellothere",         "helloworld",
    "hellraiser",        "highlander",       "hondacivic",         "housewifes",
    "hshfd4n279",        "htubcnhfwbz",      "hypnodanny",         "iaapptfcor",
    "iddqdidkfa",        "ilovegirls",       "ilovemyself",        "ilovepussy",
    "ingodwetrust",      "insertions",       "installdevic",       "installutil",
    "interacial",        "intercourse",      "ironmaiden",         "iseedeadpeople",
    "j3qq4h7h2v",        "jackdaniels",      "jamesbond007",       "jediknight",
    "jesuschrist",       "jesusislord",      "jetbalance",         "jigei743ks",
    "juggernaut",        "justforfun",       "justinbieber",       "kamehameha",
    "kbnthfnehf",        "kingfisher",       "knickerless",        "konstantin",
    "ladyffesta",        "lamborghini",      "leavemealone",       "ledzeppelin",
    "letmeinnow",        "lfplhfgthvf",      "lhbjkjubz2957704",   "lifeisgood",
    "lightsaber",        "limpbizkit",       "liverpool1",         "lkjhgfdsaz",
    "lockerroom",        "losangeles",       "lost4815162342",     "loveislife",
    "lsia9dnb9y",        "luojianhua",       "m6cjy69u35",         "madagaskar",
    "mailcreated5240",   "manchester",       "mangust6403",        "mapet123456",
    "markhegarty",       "masterbaiting",    "masterbate",         "masterbating",
    "mastercard",        "masterchief",      "mastermind",         "masturbation",
    "matematika",        "maurolarastefy",   "maximilian",         "metallica1",
    "mevefalkcakk",      "mickeymouse",      "microphone",         "minecraft123",
    "momsanaladventure", "moneymaker",       "montecarlo",         "montgom240",
    "mostwanted",        "motdepasse",       "motherfuck",         "motherlode",
    "multiplelo",        "mypassword",       "naughtyboy",         "necromancer",
    "needforspeed",      "networkingpe",     "neveragain",         "neworleans",
    "newpassword",       "newproject2004",   "newzealand",         "nintendo64",
    "nopassword",        "nthvbyfnjh",       "nuttertools",        "oc247ngucz",
    "olcrackmaster",     "oldsmobile",       "olegnaruto",         "ontherocks",
    "opensesame",        "painkiller",       "parolparol",         "passmaster",
    "pathfinder",        "peanutbutter",     "penetrating",        "penetration",
    "peternorth",        "playstation",      "playstation3",       "poiuytrewq",
    "pokemon123",        "polniypizdec0211", "polniypizdec110211", "pornografia",
    "pornographic",      "postov1000",       "prettygirl",         "primetime21",
    "psychnaut1",        "ptybnxtvgbjy",     "puertorico",         "pufunga7782",
    "pussyeater",        "pussylicker",      "pussylover",         "q1q2q3q4q5",
    "q1w2e3r4t5",        "q1w2e3r4t5y6",     "q1w2e3r4t5y6u7",     "q1w2e3r4t5y6u7i8",
    "qawsedrftg",        "qazwsxedc1",       "qazwsxedc12",        "qazwsxedc123",
    "qazwsxedcrfv",      "qazwsxedcrfvtgb",  "qazxswedcvfr",       "qpwoeiruty",
    "quant4307s",        "quicksilver",      "quiksilver",         "qweasdzxc1",
    "qweasdzxc123",      "qwerasdfzxcv",     "qwert12345",         "qwert54321",
    "qwertasdfg",        "qwerty123456789",  "qwertyasdfgh",       "qwertyuiop",
    "qwertyuiop1",       "qwertyuiop123",    "qwertyytrewq",       "r3vi3wpass",
    "rammstein1",        "realmadrid",       "reanimator",         "residentevil",
    "rfhfrfnbwf",        "rfhfvtkmrf",       "rfkmrekznjh",        "rfnfcnhjaf",
    "rfnfgekmnf",        "rhbcnbyjxrf",      "rjhjkmbien",         "rjirfrgbde",
    "rjycnfynby",        "rkfdbfnehf",       "roadrunner",         "roflcopter",
    "ronaldinho",        "runescape1",       "sailormoon",         "salamander",
    "salamandra",        "sanandreas",       "saun24865709",       "sebastian1",
    "sersolution",       "sevastopol",       "sexmachine",         "shevchenko",
    "sidewinder",        "skateboard",       "skorpion39",         "slipknot666",
    "smallville",        "sojdlg123aljg",    "solidsnake",         "sonyericsson",
    "soso123aljg",       "spartan117",       "spiderman1",         "stalingrad",
    "strawberry",        "streetball",       "suckmycock",         "suckmydick",
    "summertime",        "superduper",       "supermanboy",        "superpuper",
    "supersonic",        "syncmaster",       "t34vfrc1991",        "tamwsn3sja",
    "terminator",        "testing123",       "thunderbird",        "tigerwoods",
    "tinkerbell",        "tokiohotel",       "transexual",         "translator",
    "trustnoone",        "uncencored",       "undertaker",         "unforgiven",
    "usuckballz1",       "vanyarespekt",     "venom121293",        "verygoodbot",
    "vfhufhbnrf",        "vflfufcrfh",       "vfntvfnbrf",         "vfvfvskfhfve",
    "vfylfhbyrf",        "volkswagen",       "vqsablpzla",         "vsjasnel12",
    "vyjujnjxbt",        "w2dlww3v5p",       "wachtwoord",         "watermelon",
    "webhompass",        "websolutions",     "wenef45313",         "whatthefuck",
    "whatthehell",       "whitepower",       "whosyourdaddy",      "winnipeg261",
    "wishmaster",        "yanshi1982",       "ybrjkftdbx",         "yfnfitymrf",
    "yjdsqgfhjkm",       "z1x2c3v4b5",       "zaq1xsw2cde3",       "zaratustra",
    "zcxfcnkbdf",        "zqjphsyf6ctifgu",  "zxcasdqwe123",       "zxcvb12345",
};

/* Sorted. With digits around them they are no better. */
static const char *const stems[] = {
    "access",   "administrator", "angel",    "arsenal",  "asdfgh",   "asshole",
    "austin",   "badboy",        "banana",   "barney",   "baseball", "batman",
    "bigdaddy", "bigdick",       "bigdog",   "biteme",   "booboo",   "boomer",
    "boston",   "brandy",        "bulldog",  "buster",   "camaro",   "changeme",
    "charlie",  "cheese",        "chelsea",  "chester",  "chicago",  "chicken",
    "coffee",   "compaq",        "computer", "cookie",   "corvette", "cowboy",
    "cowboys",  "dakota",        "dallas",   "diablo",   "diamond",  "dragon",
    "eagles",   "falcon",        "fender",   "ferrari",  "football", "forever",
    "freedom",  "fucker",        "fuckme",   "fuckoff",  "fuckyou",  "gateway",
    "gfhjkm",   "ginger",        "golfer",   "guitar",   "hammer",   "hannah",
    "hardcore", "harley",        "hello",    "hockey",   "hunter",   "iceman",
    "iloveyou", "internet",      "jasper",   "jordan",   "junior",   "killer",
    "klaster",  "lakers",        "letmein",  "london",   "maggie",   "marina",
    "marine",   "marlboro",      "master",   "matrix",   "maverick", "mercedes",
    "merlin",   "mickey",        "midnight", "money",    "monkey",   "monster",
    "mother",   "mustang",       "nascar",   "natasha",  "nikita",   "oliver",
    "orange",   "password",      "peanut",   "pepper",   "perigee",  "phoenix",
    "player",   "porsche",       "princess", "purple",   "pussy",    "qazwsx",
    "qwerty",   "rabbit",        "ranger",   "rangers",  "redsox",   "samantha",
    "samsung",  "scooby",        "scooter",  "secret",   "shadow",   "silver",
    "slayer",   "smokey",        "snoopy",   "soccer",   "sparky",   "spider",
    "starwars", "steelers",      "summer",   "sunshine", "superman", "tennis",
    "thunder",  "tigers",        "tigger",   "trustno",  "welcome",  "whatever",
    "wizard",   "yamaha",        "yankees",  "yellow",   "zxcvbn",   "zxcvbnm",
};

#define LONGEST 32 /* what is longer is in no list */

static int by_text(const void *key, const void *at)
{
    return strcmp(key, *(const char *const *)at);
}

static bool listed(const char *s, const char *const *list, size_t n)
{
    return bsearch(s, list, n, sizeof(*list), by_text) != NULL;
}

static char small(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool letter(char c)
{
    return (c >= 'a' && c <= 'z') || (unsigned char)c >= 0x80;
}

static size_t distinct(const char *s, size_t n)
{
    bool seen[256] = {false};
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        bool *b = &seen[(unsigned char)s[i]];
        if (!*b) count++;
        *b = true;
    }
    return count;
}

/* Characters that do not follow from the one before: 'aaaa', '1234', 'zyxw'. */
static size_t surprises(const char *s, size_t n)
{
    size_t count = 1;
    for (size_t i = 1; i < n; i++) {
        int d = small(s[i]) - small(s[i - 1]);
        if (d < -1 || d > 1) count++;
    }
    return count;
}

bool peri_password_weak(const char *password, size_t n, const char **why)
{
    *why = "";
    if (distinct(password, n) < 5) {
        *why = "repeats the same few characters";
        return true;
    }
    if (surprises(password, n) <= 4) {
        *why = "is a sequence of neighbours like 12345 or abcde";
        return true;
    }
    if (n > LONGEST) return false;
    char s[LONGEST + 1];
    for (size_t i = 0; i < n; i++) s[i] = small(password[i]);
    s[n] = '\0';
    *why = "is among the most common passwords";
    if (listed(s, common, sizeof(common) / sizeof(common[0]))) return true;
    size_t from = 0, to = n;
    while (from < to && !letter(s[from])) from++;
    while (to > from && !letter(s[to - 1])) to--;
    if (n - (to - from) > 8) return false; /* many others around it */
    s[to] = '\0';
    *why = "is a common password with digits or signs around it";
    return listed(s + from, stems, sizeof(stems) / sizeof(stems[0]));
}
