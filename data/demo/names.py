"""Invented names of firms and people, in the scripts of the regions they are from."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.demo.calendar import Ints
from data.demo.lexicon import REGIONS


@dataclass(frozen=True)
class Tongue:
    """Building blocks of one region's names; a firm is head + tail + form."""

    heads: tuple[str, ...]
    tails: tuple[str, ...]
    forms: tuple[str, ...]
    given: tuple[str, ...]
    family: tuple[str, ...]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_TONGUES = {
    "West": Tongue(
        _words("Élan Brûle Grün Mühl Cœur Łąk Žel Façon Über Noël Krön Vél"),
        _words("ova ière berg tec haus el lux mont ard ny"),
        (" GmbH", " SA", " & Fils", " Sp. z o.o.", " BV", " 🚀"),
        _words("Zoë François Jürgen Łucja Renée Björk Aurélie Günther Anaïs Ondřej"),
        _words("Lefèvre Müllner Żurek Dvořan Beaufêtre Strößner Châtel Kövári"),
    ),
    "Nordics": Tongue(
        _words("Fjäll Øst Åker Snø Björk Hav Sjø Näs Løv Ström"),
        _words("dal vik gård lund kraft strand by mark nes"),
        (" AB", " AS", " Oy", " ApS"),
        _words("Åsa Søren Märta Bjørn Päivi Østen Linnéa Jörgen Sølvi"),
        _words("Ångqvist Sjøberg Hämälä Kjærsund Løvdal Nyström Bråten"),
    ),
    "Iberia": Tongue(
        _words("Peñ Sol Açor Mar Cañ Vent Trigu Luz Niñ Águ"),
        _words("alta ão eira ares iño osa elo uela"),
        (" S.L.", " Lda.", " e Filhos", " y Cía."),
        _words("Íñigo João Begoña Conceição Núria Andrés Inês Óscar"),
        _words("Peñalba Gonçalo Ibáñez Simões Muñarriz Araújo Cortés"),
    ),
    "Greece": Tongue(
        _words("Αιγ Θαλ Ηλι Μελ Ορφ Πελ Φωτ Λευκ Νησ"),
        _words("ίς άσσα όραμα ίνη έας αγος οδος ωνία"),
        (" Α.Ε.", " Ε.Π.Ε.", " Ο.Ε."),
        _words("Ελένη Γιώργος Κατερίνα Νίκος Δέσποινα Στέλιος Ιωάννα"),
        _words("Παπαλευκός Θαλασσινός Μελιτάς Αργυράκης Φωτεινίδη Καραβάς"),
    ),
    "East": Tongue(
        _words("Север Зор Лес Вост Бел Кам Рек Світ Ясн"),
        _words("янка мост град ица поле ник стан ова"),
        (" ООД", " д.о.о.", " ТОВ"),
        _words("Оксана Милош Надежда Богдан Йовица Златка Тарас Ђорђе"),
        _words("Северенко Белић Каменов Лісовий Зоревић Мостова Ясенко"),
    ),
    "Gulf": Tongue(
        _words("نور بحر نخيل سماء واحة لؤلؤ فجر صحار"),
        ("", " الشرق", " الذهبية", " المتحدة", " الحديثة", " الأفق"),
        (" للتجارة", " للتقنية", " القابضة", " ش.م.م"),
        _words("ليلى سامر هالة طارق نورة يزن ريم فارس"),
        _words("البحري النخيلي الفجري السماوي الواحي اللؤلؤي"),
    ),
    "Thailand": Tongue(
        _words("สยาม ทอง ฟ้า ไผ่ บัว เมฆ ดาว ชล"),
        _words("ใส รุ่ง งาม ไพศาล วัฒนา สว่าง มั่น ธารา"),
        (" จำกัด", " กรุ๊ป", " เทรดดิ้ง"),
        _words("สมใจ ก้อง ปรียา ธนา มะลิ อนันต์ น้ำฝน ภูผา"),
        _words("ทองไพศาล ฟ้าสว่าง บัวงาม เมฆธารา ดาวรุ่งเรือง ไผ่มั่น"),
    ),
    "Japan": Tongue(
        _words("青空 白波 星野 竹風 月影 桜山 海原 雪谷"),
        ("工業", "電機", "商事", "物産", "システム", "製作所"),
        ("株式会社", "合同会社", ""),
        _words("葵 蓮 さくら 大樹 ひかり 湊 陽菜 樹"),
        _words("青波 星川原 竹之風 月ヶ丘 雪ノ谷 海老沼田"),
    ),
}


def firms(region: Ints, rng: np.random.Generator) -> "pd.Series[str]":
    """Names of firms, one for each region code."""
    return _build(region, rng, ("heads", "tails", "forms"), "")


def persons(region: Ints, rng: np.random.Generator) -> "pd.Series[str]":
    """Names of people, one for each region code."""
    return _build(region, rng, ("given", "family"), " ")


def _build(
    region: Ints, rng: np.random.Generator, parts: tuple[str, ...], glue: str
) -> "pd.Series[str]":
    """Put a random element of each part together."""
    names = np.empty(len(region), dtype=object)
    draws = rng.random((len(parts), len(region)))
    for code, place in enumerate(REGIONS):
        mine = np.flatnonzero(region == code)
        picked = [
            [options[k] for k in (draws[row, mine] * len(options)).astype(int)]
            for row, options in enumerate(getattr(_TONGUES[place], part) for part in parts)
        ]
        names[mine] = [glue.join(words) for words in zip(*picked, strict=True)]
    return pd.Series(names, dtype="str")
